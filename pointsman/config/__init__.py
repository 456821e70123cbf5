"""The one configuration file of a mesh: its schema, its loading, and the prices that it may leave out."""
