#!/usr/bin/env python3
"""Says hello to whoever is named."""
import sys

print("hello", " ".join(sys.argv[1:]) or "world")
