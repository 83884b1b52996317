"""The prediction API: an HTTP server for one track of one HousingModel."""
