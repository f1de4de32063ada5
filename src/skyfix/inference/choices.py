"""What an export may be asked for; light, so that a command line can offer it at once."""

from typing import Literal

Format = Literal["onnx", "openvino", "torch-export"]
Precision = Literal["fp32", "fp16", "int8"]
