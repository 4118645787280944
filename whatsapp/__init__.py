"""The only importer of neonize: its Go library, the gate to it, hosted sessions, pairing, and what messages mean."""
