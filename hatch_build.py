"""Makes the runtime of the same version a dependency."""

from hatchling.metadata.plugin.interface import MetadataHookInterface


class CustomMetadataHook(MetadataHookInterface):
    """Adds the runtime, at the version of ``[tool.hatch.version]``."""

    def update(self, metadata):
        """Join it to the dependencies that pyproject.toml states for this hook."""
        runtime = f"gru2np-runtime=={metadata['version']}"
        metadata["dependencies"] = [runtime, *self.config["dependencies"]]
