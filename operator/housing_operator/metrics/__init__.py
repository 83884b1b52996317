"""What Prometheus is told: of the HousingModels, and of the operator itself."""
