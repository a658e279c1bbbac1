"""Backup and restore: one archive of everything, taken while the platform runs."""

from modelyard.storage.backup.archive import Archive, Manifest
from modelyard.storage.backup.erasures import read_list
from modelyard.storage.backup.service import BackupReport, Installation, backup, restore

__all__ = ["Archive", "BackupReport", "Installation", "Manifest", "backup", "read_list", "restore"]
