import ByteIO
import CPUBackend
import Kernels
import ModelBackend
import ModelStore
import OnnxRuntimeBackend

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What `doctor` is asked to look at.
public struct DoctorRequest: Sendable {
  public var backends = BackendChoice()
  public var manifestPath: String?
  /// Models that the machine must have room for.
  public var models: [String] = []

  public init() {}
}

/// The journey of `whisperq doctor`: machine → runtimes → NPU → room → manifest.
public enum DoctorPipeline {
  public static func run(_ request: DoctorRequest) throws(PipelineError) -> DoctorReport {
    try request.backends.validated()
    let wanted = try wantedProviders(request)
    var report = DoctorReport()
    report.targets = SoC.all.map { ($0.name, $0.chipset, $0.number, $0.architecture) }
    report.checks.append(platform())
    report.checks.append(processor())
    report.checks.append(
      DoctorReport.Check(
        "embedded", .good, "the embedded engine is always there",
        facts: [("operators", "\(Set(CPUBackend.operators.map { $0.domain + $0.name }).count)")]))
    let listed = manifestProviders(request)
    let (runtimeCheck, runtime) = runtime(
      request.backends, need(wanted, listed, [.cpu, .qnn]))
    report.checks.append(runtimeCheck)
    report.checks += qnn(request.backends, runtime, need(wanted, listed, [.qnn]))
    report.checks += room(request)
    report.checks += manifest(request)
    return report
  }

  private static func wantedProviders(_ request: DoctorRequest) throws(PipelineError) -> Set<Provider> {
    if request.backends.npu == .required { return [.qnn] }
    guard let text = request.backends.providers else { return [] }
    do { return Set(try ProviderOrder(parsing: text).providers) } catch {
      throw PipelineError(error.message, .usage)
    }
  }

  /// How much it matters that a provider is there.
  private enum Need {
    case none
    /// An entry of the manifest names it, and the embedded engine takes its place.
    case listed
    /// --ep or --require-npu names it.
    case wanted

    var state: DoctorReport.Check.State {
      switch self {
      case .none: .note
      case .listed: .warning
      case .wanted: .problem
      }
    }

    /// How a sentence about what is missing goes on.
    func words(_ otherwise: String) -> String {
      switch self {
      case .none: otherwise
      case .listed: "\(otherwise), though the manifest asks for it"
      case .wanted: "--ep or --require-npu asks for it"
      }
    }
  }

  private static func need(_ wanted: Set<Provider>, _ listed: Set<Provider>, _ those: Set<Provider>) -> Need {
    if !wanted.isDisjoint(with: those) { return .wanted }
    return listed.isDisjoint(with: those) ? .none : .listed
  }

  // MARK: The machine

  private static func platform() -> DoctorReport.Check {
    var facts = [("processors", "\(Machine.threadCount)")]
    let model = MachineMemory.contents(of: "/proc/cpuinfo").split(separator: "\n")
      .first { $0.hasPrefix("model name") }?.split(separator: ":").last
    if let model { facts.append(("processor", String(model.drop { $0 == " " }))) }
    return DoctorReport.Check("platform", .good, systemName(), facts: facts)
  }

  /// `Linux 6.8.0 on x86_64`.
  private static func systemName() -> String {
    var name = utsname()
    // Safe: uname fills the one structure.
    guard unsafe uname(&name) == 0 else { return "an unknown system" }
    func text<Field>(_ field: Field) -> String {
      // Safe: the fields are arrays of characters that end in a NUL byte.
      unsafe withUnsafeBytes(of: field) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    return "\(text(name.sysname)) \(text(name.release)) on \(text(name.machine))"
  }

  private static func processor() -> DoctorReport.Check {
    let level = CPUFeatures.level
    let flags = MachineMemory.contents(of: "/proc/cpuinfo").split(separator: "\n")
      .first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }?.split(whereSeparator: {
        $0 == " " || $0 == "\t"
      })
    let telling = [
      "avx2", "f16c", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp",
      "i8mm", "asimdhp",
    ]
    let present = telling.filter { flags?.contains(Substring($0)) ?? false }
    let levels = CPUFeatures.availableLevels.map(\.name).joined(separator: ", ")
    let facts =
      [("kernels", levels)] + (present.isEmpty ? [] : [("features", present.joined(separator: ", "))])
    #if arch(x86_64)
      if level == .baseline {
        return DoctorReport.Check(
          "processor", .warning, "the kernels use \(level.name), because the processor has no AVX2",
          remedy: "expect several times longer runs", facts: facts)
      }
    #endif
    return DoctorReport.Check("processor", .good, "the kernels use \(level.name)", facts: facts)
  }

  // MARK: Runtimes

  private static func facts(of search: LibrarySearch) -> [(name: String, value: String)] {
    search.looks.map { look in
      switch look.finding {
      case .found(let path): ("found", "\(path) (\(look.origin))")
      case .nothing: ("looked", "\(look.place) (\(look.origin))")
      case .unusable(let why): ("unusable", "\(look.place) (\(look.origin)): \(why)")
      }
    }
  }

  private static func runtime(
    _ backends: BackendChoice, _ need: Need
  ) -> (DoctorReport.Check, OnnxRuntime?) {
    let search = LibrarySearch(.onnxRuntime, backends.places)
    let facts = facts(of: search)
    // A library that somebody named must work.
    let isNamed = search.looks.contains { named.contains($0.origin) }
    let state = isNamed ? .problem : need.state
    guard search.path != nil else {
      let message =
        search.absence.split(separator: "\n").first.map(String.init) ?? "ONNX Runtime was not found"
      return (
        DoctorReport.Check(
          "onnx-runtime", state,
          isNamed
            ? message : "ONNX Runtime was not found; \(need.words("models run on the embedded engine"))",
          remedy: SoughtLibrary.onnxRuntime.remedy, facts: facts), nil
      )
    }
    do {
      let runtime = try OnnxRuntime.open(backends.places)
      let more = [
        ("version", runtime.version), ("interface", "\(runtime.apiVersion)"), ("build", runtime.buildInfo),
      ]
      if runtime.apiVersion < OnnxRuntime.apiVersions.upperBound {
        return (
          DoctorReport.Check(
            "onnx-runtime", .warning,
            "ONNX Runtime \(runtime.version) is older than whisperq likes: it cannot tell which provider ran which node"
              + (runtime.apiVersion < OnnxRuntime.pluginAPIVersion ? ", and it takes no QNN plugin" : ""),
            remedy: SoughtLibrary.onnxRuntime.remedy, facts: more + facts), runtime
        )
      }
      return (
        DoctorReport.Check(
          "onnx-runtime", .good, "ONNX Runtime \(runtime.version) at \(runtime.path)", facts: more + facts),
        runtime
      )
    } catch {
      return (
        DoctorReport.Check(
          "onnx-runtime", .problem, error.message, remedy: SoughtLibrary.onnxRuntime.remedy, facts: facts),
        nil
      )
    }
  }

  private static let named: Set<String> = [
    "--ort-library", "--qnn-library", "WHISPERQ_ORT_LIBRARY", "WHISPERQ_QNN_LIBRARY",
  ]

  private static func qnn(
    _ backends: BackendChoice, _ runtime: OnnxRuntime?, _ need: Need
  ) -> [DoctorReport.Check] {
    let search = LibrarySearch(.qnnPlugin, backends.places)
    let facts = facts(of: search)
    let isNamed = search.looks.contains { named.contains($0.origin) }
    guard let path = search.path else {
      let message =
        search.absence.split(separator: "\n").first.map(String.init) ?? "the QNN plugin was not found"
      return [
        DoctorReport.Check(
          "qnn-plugin", isNamed ? .problem : need.state,
          isNamed
            ? message : "Qualcomm's QNN plugin was not found; \(need.words("nothing can run on the NPU"))",
          remedy: SoughtLibrary.qnnPlugin.remedy, facts: facts),
        unchecked("qnn-backend", "there is no plugin that it could lie beside"),
        unchecked("npu", "there is no QNN plugin"),
      ]
    }
    let libraries = QNNLibraries(plugin: path)
    var checks = [DoctorReport.Check("qnn-plugin", .good, "Qualcomm's QNN plugin at \(path)", facts: facts)]
    if kind(ofPath: libraries.htpBackend) == .file {
      checks.append(DoctorReport.Check("qnn-backend", .good, "the NPU's backend at \(libraries.htpBackend)"))
    } else {
      checks.append(
        DoctorReport.Check(
          "qnn-backend", .problem, "there is no NPU backend beside the plugin: \(libraries.htpBackend)",
          remedy: SoughtLibrary.qnnPlugin.remedy))
      checks.append(unchecked("npu", "its backend is missing"))
      return checks
    }
    guard let runtime else {
      checks.append(
        DoctorReport.Check(
          "npu", need.state, "without ONNX Runtime the QNN plugin is of no use",
          remedy: SoughtLibrary.onnxRuntime.remedy))
      return checks
    }
    checks.append(npu(runtime, libraries, backends))
    return checks
  }

  private static func unchecked(_ name: String, _ why: String) -> DoctorReport.Check {
    DoctorReport.Check(name, .note, "not checked: \(why)")
  }

  /// Runs a tiny model on the NPU: the only proof that everything fits together.
  private static func npu(
    _ runtime: OnnxRuntime, _ libraries: QNNLibraries, _ backends: BackendChoice
  ) -> DoctorReport.Check {
    do {
      let probe = try NPUProbe.run(runtime, libraries, backends)
      return DoctorReport.Check(
        "npu", .good,
        probe.isEmulated
          ? "the NPU is emulated on this processor: numbers are the device's, times are not"
          : "the NPU of this device runs models",
        facts: [("qairt", probe.qairtVersion), ("target", probe.target), ("seconds", "\(probe.seconds)")])
    } catch {
      return DoctorReport.Check(
        "npu", .problem, "the QNN plugin is there, but a small model does not run on it: \(error.message)",
        remedy: SoughtLibrary.qnnPlugin.remedy)
    }
  }
}
