"""The plain kernel: the layers' equations, every option; a reference for the others."""
