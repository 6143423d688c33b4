//! The page about backups promises that restic alone is enough: what it says is typed here, word by word.
