"""Metadata that both distributions share: each ``pyproject.toml`` names this hook."""

import posixpath
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# The address of the repository, as on a forge: https://HOST/OWNER/NAME.  While it is
# empty, the distributions state no address, and links to files become plain text.
REPOSITORY = ""
URLS = {
    "Homepage": "",
    "Documentation": "/blob/v{version}/docs/README.md",
    "Changelog": "/blob/v{version}/CHANGELOG.md",
    "Issues": "/issues",
    "Source": "/tree/v{version}",
}
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Reads ``folder`` (of the README, in the repository) and ``dependencies``."""

    def update(self, metadata):
        """Add what depends on the version or on the address."""
        version = metadata["version"]
        text = (Path(self.root) / "README.md").read_text("utf-8")
        folder = self.config["folder"]
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": outside(text, folder, REPOSITORY, version),
        }
        metadata["urls"] = {
            name: REPOSITORY + path.format(version=version)
            for name, path in URLS.items()
            if REPOSITORY
        }
        if "dependencies" in self.config:
            # The converter needs the runtime of its own version.
            runtime = f"gru2np-runtime=={version}"
            metadata["dependencies"] = [runtime, *self.config["dependencies"]]


def outside(text, folder, repository, version):
    """A README without comments, and with links that work away from the repository.

    Args:
        text: the README, in Markdown.
        folder: its place in the repository, to which its links are relative.
        repository: the address; if it is empty, a link to a file becomes its text.
        version: the files of this version are linked.
    """

    def link(match):
        image, words, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match[0]
        if not repository:
            return words
        path = posixpath.normpath(posixpath.join(folder, target))
        kind = "raw" if image else "blob"
        return f"{image}[{words}]({repository}/{kind}/v{version}/{path})"

    return LINK.sub(link, COMMENT.sub("", text))
