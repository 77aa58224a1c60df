"""Reproducing published figures by the commands behind them."""
