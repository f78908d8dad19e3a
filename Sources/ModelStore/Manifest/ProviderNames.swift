/// Names of ONNX Runtime's execution providers: the short ones that manifests use, the full ones that sessions take.
public enum ProviderNames {
  private static let suffix = "ExecutionProvider"

  /// As ONNX Runtime spells them, without the ending `ExecutionProvider`.
  public static let known = [
    "ACL", "ArmNN", "Azure", "CANN", "CPU", "CUDA", "CoreML", "Dml", "Dnnl", "Js", "MIGraphX", "Nnapi",
    "NvTensorRTRTX", "OpenVINO", "QNN", "ROCM", "Rknpu", "SNPE", "Tensorrt", "VSINPU", "VitisAI", "WebGpu",
    "WebNN", "Xnnpack",
  ]

  /// Other ways to say the same.
  private static let synonyms = ["directml": "Dml", "onednn": "Dnnl", "trt": "Tensorrt", "npu": "QNN"]

  /// The short name of a provider, however it is written; nil when ONNX Runtime knows none of this name.
  public static func short(_ name: String) -> String? {
    var word = name.lowercased()
    if word.hasSuffix(suffix.lowercased()) { word = String(word.dropLast(suffix.count)) }
    return synonyms[word] ?? known.first { $0.lowercased() == word }
  }

  /// The name that a session takes: `QNNExecutionProvider`; nil for an unknown one.
  public static func full(_ name: String) -> String? { short(name).map { $0 + suffix } }
}
