"""What azure-ai-ml imports of pydash, which Debian does not package.

A stand-in: it has the three functions that MLClient names, as far as it uses
them.  Everything else of azure-ai-ml in these tests is Microsoft's.
"""


def get(thing, path, default=None):
    for name in path.split('.') if isinstance(path, str) else path:
        if isinstance(thing, dict):
            thing = thing.get(name)
        else:
            thing = getattr(thing, str(name), None)
        if thing is None:
            return default
    return thing


def omit(thing, *names):
    left_out = set()
    for name in names:
        left_out.update([name] if isinstance(name, str) else name)
    return {k: v for k, v in thing.items() if k not in left_out}


class objects:                                          # noqa: N801
    get = staticmethod(get)
