"""
Order fulfilment: orders, stock, payments and shipping, held together by a saga.

`messages` says what can be asked and what can happen; `orders`, `stock`, `payments` and `shipping`
decide; `saga` takes an order through them; `views` are what is read; `web` and `demo` use it all.
"""
