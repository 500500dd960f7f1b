"""Codecs convert raw units to states and back; their Jacobian converts scores of states to scores of raw values.

    LevelsCodec    L equally spaced raw values  ↔  L equally spaced states in [−1, 1]    scored as mass
    BitsCodec      0 and 1                      ↔  the same, as numbers                  scored as mass
    StatesCodec    integers 0 … K − 1           ↔  the same, as unordered states         scored as mass
    SymbolsCodec   characters of an alphabet    ↔  their indices                         scored as mass
    RecordsCodec   the same, of any length      ↔  their indices, then an end            scored as mass
    TokensCodec    word-pieces of a text        ↔  their numbers                         scored as mass
    BytesCodec     bytes of any file            ↔  0 … 255                               scored as mass
    AffineCodec    state = (raw − center) / scale, per channel or column                 scored as density
    TableCodec     columns of different kinds, by name; see `data.table`

    log p(raw) = log p(state) + Σ log_jacobian,    log_jacobian = log |d state / d raw|,  in nats

A mass needs no Jacobian, so it is 0 for all but the last.
"""
