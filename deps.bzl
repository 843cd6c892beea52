"""What Thrum needs from elsewhere, for a WORKSPACE that uses it."""

load("//third_party/ck:ck.bzl", "ck_repository")

def thrum_dependencies():
    """Declares the repository @ck, unless the workspace has its own."""
    if "ck" not in native.existing_rules():
        ck_repository(name = "ck")
