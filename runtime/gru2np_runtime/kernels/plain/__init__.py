"""The plain way: the equations of the layers, every option; what others are held to."""
