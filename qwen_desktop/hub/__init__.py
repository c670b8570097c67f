"""The world of model files: hubs (Hugging Face, mirrors, ModelScope), the catalogue, downloads, and what lies on disk.

Everything from outside is untrusted: names become paths only through one check, sizes and hashes are compared.
"""
