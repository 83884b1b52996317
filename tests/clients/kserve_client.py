"""KServe's REST client, used as its documentation does; prints what it got as JSON."""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

URL, MODEL = sys.argv[1:]
AREA = np.array([120.5, np.nan], dtype=np.float64)
ROOMS = np.array([3, 5], dtype=np.int64)
DISTRICT = np.array(["Kadıköy".encode(), b""], dtype=np.object_)


def request(*, binary: bool) -> InferRequest:
    """Two listings, by tensors in JSON or as binary data."""
    inputs = []
    for name, datatype, values in (
        ("area", "FP64", np.nan_to_num(AREA) if not binary else AREA),
        ("rooms", "INT64", ROOMS),
        ("ilçe", "BYTES", DISTRICT),
    ):
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    outputs = [RequestedOutput("label"), RequestedOutput("probability_High", {"binary_data": True})]
    return InferRequest(MODEL, inputs, request_outputs=outputs if binary else None)


async def main() -> None:
    """Ask everything that the client can ask by version 2 of the protocol."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {
        "live": await client.is_server_live(URL),
        "ready": await client.is_server_ready(URL),
        "model ready": await client.is_model_ready(URL, MODEL),
        "other model ready": await client.is_model_ready(URL, "other"),
    }
    for name, binary in (("json", False), ("binary", True)):
        answer = await client.infer(URL, request(binary=binary), model_name=MODEL)
        found[name] = {
            "model": answer.model_name,
            **{output.name: output.as_numpy().tolist() for output in answer.outputs},
        }
    try:
        await client.infer(URL, {"inputs": []}, model_name=MODEL)
    except httpx.HTTPStatusError as error:
        found["refused"] = error.response.status_code
    await client.close()
    print(json.dumps(found))


asyncio.run(main())
