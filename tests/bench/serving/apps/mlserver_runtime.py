"""MLServer with the pipeline; requests are the Open Inference Protocol's, one input a column."""

from __future__ import annotations

import joblib
import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Pipeline(MLModel):
    """Loads the pipeline that `parameters.uri` names."""

    async def load(self) -> bool:
        """Load it."""
        self.pipeline = joblib.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classify."""
        frame: pd.DataFrame = self.decode_request(payload, default_codec=PandasCodec)
        shares = self.pipeline.predict_proba(frame.replace("", None))
        output = NumpyCodec.encode_output("probabilities", shares)
        return InferenceResponse(model_name=self.name, outputs=[output])
