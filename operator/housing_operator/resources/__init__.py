"""Pure builders of everything that the operator makes for a HousingModel."""
