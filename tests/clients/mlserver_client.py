"""MLServer's codecs and types, used as its documentation does; prints what it got as JSON."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse

URL, MODEL = sys.argv[1:]


def infer(request: InferenceRequest) -> InferenceResponse:
    """Send a request as MLServer's examples do."""
    answer = requests.post(f"{URL}/v2/models/{MODEL}/infer", json=request.model_dump(), timeout=30)
    answer.raise_for_status()
    return InferenceResponse.model_validate_json(answer.content)


frame = pd.DataFrame(
    {
        "area": pd.Series(["120,5 m²", 80], dtype=object),
        "rooms": [np.nan, 5],
        "ilçe": pd.Series(["Kadıköy", ""], dtype=object),
    }
)
response = infer(PandasCodec.encode_request(frame, use_bytes=False))
answered = PandasCodec.decode_response(response)

one = InferenceRequest(
    id="order-66",
    inputs=[
        NumpyCodec.encode_input("area", np.array([[120.5]])),
        StringCodec.encode_input("ilçe", ["Kadıköy"], use_bytes=False),
    ],
)
single = infer(one)
labels = StringCodec.decode_output(single.outputs[0])
shares = NumpyCodec.decode_output(single.outputs[3]).tolist()

metadata = MetadataModelResponse.model_validate_json(
    requests.get(f"{URL}/v2/models/{MODEL}", timeout=30).content
)


def infer_file(batch_size: int) -> list[str]:
    """Labels that `mlserver infer`, which is built on Triton's client, writes for a file of requests."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "requests.jsonl"), Path(folder, "responses.jsonl")
        numbered = [one.model_copy(update={"id": f"order-{number}"}) for number in range(5)]
        lines = [request.model_dump_json(exclude_none=True) for request in numbered]
        asked.write_text("\n".join(lines), encoding="utf-8")
        command = [
            *(Path(sys.executable).with_name("mlserver"), "infer"),
            *("-u", URL.removeprefix("http://"), "-m", MODEL, "-s", str(batch_size)),
            *("-i", asked, "-o", answered),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        lines = answered.read_text(encoding="utf-8").splitlines()
    responses = [InferenceResponse.model_validate_json(line) for line in lines]
    return [label for one in responses for label in StringCodec.decode_output(one.outputs[0])]


print(
    json.dumps(
        {
            "frame": answered.to_dict("list"),
            "version": response.model_version,
            "id": single.id,
            "labels": labels,
            "high": shares,
            "file": [infer_file(batch_size) for batch_size in (1, 3)],
            "inputs": [tensor.name for tensor in metadata.inputs],
        }
    )
)
