"""How the models that Pointsman ships are made."""
