"""Routes beside `/predict`; each module makes a router for one part of the API."""
