"""Where people meet the dispatcher: the command line and its words."""
