"""How much two instructions of Dockerfiles are alike, by their words."""

from dataclasses import dataclass

_LONGEST_COMPARED = 2000
"""Characters of an instruction. Here-documents can be long."""
LEAST_LIKENESS = 0.4
"""Below this likeness, two instructions are not taken for versions of the same one."""
_SAME_TARGET = 0.9
_COPIES = ("COPY", "ADD")


def words_of(text: str) -> frozenset[str]:
    """Return the words of an instruction, for comparison."""
    return frozenset(text[:_LONGEST_COMPARED].split())


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return Dice's coefficient of two sets of words, from 0 to 1.

    difflib takes minutes to compare hundreds of long instructions.
    """
    both = len(one) + len(other)
    return 2 * len(one & other) / both if both else 0.0


@dataclass(frozen=True, slots=True)
class InstructionWords:
    """An instruction, prepared for comparison with many others."""

    keyword: str
    target: str
    """The last word, which is the target of COPY and ADD."""
    words: frozenset[str]

    @classmethod
    def of(cls, instruction: str) -> "InstructionWords":
        """Prepare an instruction, such as "RUN pip install pandas"."""
        keyword, _, arguments = instruction.partition(" ")
        return cls(keyword, arguments.rpartition(" ")[2], words_of(arguments))

    def likeness(self, other: "InstructionWords") -> float:
        """Return how much two instructions are alike, from 0 to 1. Those with different keywords are not."""
        if not self.keyword or self.keyword != other.keyword:
            return 0.0
        by_words = likeness(self.words, other.words)
        return max(by_words, _SAME_TARGET) if self.keyword in _COPIES and self.target == other.target else by_words


def edited_words(before: str, after: str) -> tuple[str, str]:
    """Return the words that an edit of an instruction took out, and those that it put in, each in order."""
    old, new = words_of(before), words_of(after)
    gone = " ".join(word for word in before.split() if word not in new)
    come = " ".join(word for word in after.split() if word not in old)
    return gone, come
