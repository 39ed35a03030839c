"""Label-driven pull-request dispatcher."""
