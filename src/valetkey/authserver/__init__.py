"""Our own authorization server: one file per endpoint or grant type, named for its specification.

Who may act for whom is the business of `grants`; what our tokens say, of `identity`.
"""
