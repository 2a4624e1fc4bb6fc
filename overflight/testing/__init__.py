"""What the pytest plugin is made of; each part can be used without pytest as well."""
