"""A small Microsoft Entra, its neighbours and Azure ML, on loopback."""
