"""Published figures, made again by the commands behind them."""
