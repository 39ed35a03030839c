"""git: mirrors, checkouts, harvest, checks, pushes."""
