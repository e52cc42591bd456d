"""Runs every case of a WebSocket protocol suite against a server and says how they ended, as one JSON object."""

import asyncio
import json
import sys

from kosoku import FailureError, run_fuzzingclient

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}


async def main(url: str) -> None:
    try:
        # The server behind does not compress: sections 12 and 13 have nothing to say of it.
        results = await run_fuzzingclient(url, exclude_cases=["12.*", "13.*"], concurrency=4)
    except FailureError as failure:
        results = failure.results
    failed = {
        result.case_id: f"{result.behavior.value}, closing {result.behavior_close.value}"
        for result in results
        if result.behavior.value not in PASSED or result.behavior_close.value not in PASSED
    }
    print(json.dumps({"cases": len(results), "failed": failed}))


asyncio.run(main(sys.argv[1]))
