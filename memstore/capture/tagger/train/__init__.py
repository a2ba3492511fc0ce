"""How the tagger's model is made. Needs the `train` extra (torch); nothing here is imported at run time."""
