"""The dashboard: hfx for a projector. It calls the package and models nothing itself."""
