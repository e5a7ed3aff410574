"""What people read of a model: coefficients, figures, exports."""
