"""The process that gives every frame and every silent span of cloth exactly one verdict."""
