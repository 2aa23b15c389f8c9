"""What counting gives: n-grams of characters on the same text, as a baseline for the decoder.

    python models/text_decoder/ngram.py

Witten-Bell: behind a context h that was seen n times with d different next characters,

    p(c | h) = (count(h c) + d p(c | h without its first character)) / (n + d)

down to no context, and from there to 1 / vocabulary. An n-gram of order k looks at k - 1 characters. It sees all of the
test text before a character, where the decoder begins anew in each window.
"""

import math
from collections import Counter, defaultdict

from characters import CHARACTERS
from corpus import test_text, text_of

LONGEST = 8


def count(text: str, longest: int) -> list[dict[str, Counter]]:
    """For each length of context, what follows each context."""
    tables: list[dict[str, Counter]] = [defaultdict(Counter) for _ in range(longest)]
    for length, table in enumerate(tables):
        for i in range(length, len(text)):
            table[text[i - length : i]][text[i]] += 1
    return tables


def bits_by_order(tables: list[dict[str, Counter]], text: str) -> list[float]:
    """Mean bits a character of orders 1, 2, ..."""
    sizes = [{context: (followers.total(), len(followers)) for context, followers in table.items()} for table in tables]
    totals = [0.0] * len(tables)
    for i, c in enumerate(text):
        p = 1 / len(CHARACTERS)
        for length, (table, size) in enumerate(zip(tables, sizes)):
            context = text[max(i - length, 0) : i]
            if len(context) == length and context in size:
                n, different = size[context]
                p = (table[context][c] + different * p) / (n + different)
            totals[length] -= math.log2(p)
    return [total / len(text) for total in totals]


def main() -> None:
    tables = count(text_of("training"), LONGEST)
    for order, bits in enumerate(bits_by_order(tables, test_text()), 1):
        print(f"order {order}: {bits:.4f} bits a character, perplexity {2**bits:.4f}")


if __name__ == "__main__":
    main()
