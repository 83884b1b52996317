"""What is measured of a window, and what chance explains of it. Pure."""
