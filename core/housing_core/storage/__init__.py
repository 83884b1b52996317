"""The door to files: opens a dataset or log URI on a volume, in S3, over HTTPS or on a path.

| URI | where it leads |
|---|---|
| `pvc://claim/path` | the claim, which the operator mounts at `/mnt/claims/<claim>` |
| `s3://bucket/key` | S3 by the usual AWS variables; `AWS_ENDPOINT_URL` for a compatible server |
| `https://host/path` | one file, fetched whole |
| `/path` | the container's own file system |
"""

from housing_core.storage.errors import StorageError, StorageUnavailableError
from housing_core.storage.files import (
    delete_empty_folder,
    delete_file,
    open_file,
    open_location,
    write_file,
    writing,
)
from housing_core.storage.listing import (
    DATASET_SUFFIXES,
    fingerprint,
    list_files,
    list_folder,
    list_folders,
)
from housing_core.storage.locations import CLAIMS_ROOT_VARIABLE, DataFile, Location, locate

__all__ = [
    "CLAIMS_ROOT_VARIABLE",
    "DATASET_SUFFIXES",
    "DataFile",
    "Location",
    "StorageError",
    "StorageUnavailableError",
    "delete_empty_folder",
    "delete_file",
    "fingerprint",
    "list_files",
    "list_folder",
    "list_folders",
    "locate",
    "open_file",
    "open_location",
    "write_file",
    "writing",
]
