"""Errors of the cloud. The name says whose fault it is."""


class CloudError(Exception):
    """Base class of everything the cloud raises."""


class ConfigInvalid(CloudError):
    """The configuration cannot be used; the text names path, value and what is allowed."""


class JournalFailed(CloudError):
    """The journal's storage failed. Nothing more can be promised: the process must stop."""


class OwnershipLost(CloudError):
    """Another owner holds the shard now; this one's transaction was rolled back (P3)."""


class JournalIncompatible(CloudError):
    """The journal is not for this program: a newer schema, or another shard's. Nothing changed."""
