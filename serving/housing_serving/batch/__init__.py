"""Files of listings: read, classified and answered a bounded part at a time."""
