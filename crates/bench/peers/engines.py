"""Programs that people deploy a network with on a CPU: ONNX Runtime and OpenVINO, from the exported network."""
import os, tempfile, warnings


def exported(model, images, folder):
    """Writes the network in evaluation as ONNX, and returns the path."""
    import torch
    path = os.path.join(folder, "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (images,), path, dynamo=False, opset_version=17)
    return path


def onnxruntime(path, threads, precision):
    import onnxruntime as runtime
    assert precision == "f32", "ONNX Runtime evaluates on a CPU in float32"
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})


def openvino(path, threads, precision):
    import openvino as vino
    network = vino.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"})
    return network


ENGINES = {"onnxruntime": onnxruntime, "openvino": openvino}


def evaluation(engine, model, images, threads, precision):
    """A function without arguments that evaluates the images once."""
    with tempfile.TemporaryDirectory() as folder:
        run = ENGINES[engine](exported(model, images, folder), threads, precision)
    values = images.numpy()
    return lambda: run(values)
