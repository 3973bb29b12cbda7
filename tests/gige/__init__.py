"""A GigE Vision camera on loopback that loses packets, before the product's stages."""
