"""Published data sets as their authors hand them out, read into plain values: no training, no scoring.

A file here knows one data set: its layout, its counts, what its numbers mean. It turns them ONCE into the
conventions of `headwise.conventions`; readers for training and protocols for scoring both stand on it.

    FACTS                          `sets.SetFacts`: counts, address, licence, citation
    open_set(path, ...)            `sets.FaceSet`: items by name, pictures decoded when they are asked for
    check(path, progress)          `sets.DataCheck`: what is there, what is missing, what is broken
"""
