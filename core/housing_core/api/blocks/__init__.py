"""The blocks of `spec`, one a module. Many tools would take a folder named `spec` for tests."""
