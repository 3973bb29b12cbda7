"""Pictures: how they are read, cut into tiles and scored."""
