"""The doors to the API server and to MLflow: connections, threads, timeouts, and errors by kind."""
