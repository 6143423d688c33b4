//! Checks a definition's sections against each other.
