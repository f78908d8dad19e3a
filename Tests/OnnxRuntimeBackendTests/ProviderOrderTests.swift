import ModelBackend
import Tensors
import TestSupport
import Testing

private final class NoSession: ModelSession {
  let inputs: [TensorSignature] = []
  let outputs: [TensorSignature] = []
  let placement = Placement(shares: [], leftovers: [])
  func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] { [:] }
}

@Suite("The order of providers") struct ProviderOrderTests {
  @Test("reads the names that manifests and users write") func names() throws {
    #expect(try ProviderOrder(parsing: "QNN, cpu,EmbeddedCPU").providers == [.qnn, .cpu, .embedded])
    #expect(try ProviderOrder(names: ["QNNExecutionProvider", "CPU", "qnn"]).description == "qnn,cpu")
    #expect(try ProviderOrder(parsing: "cpu").endingInEmbedded.description == "cpu,embedded")
    for provider in Provider.allCases { #expect(Provider(named: "\(provider)") == provider) }
  }

  @Test("says which names there are") func unknown() throws {
    let error = try #require(throws: BackendError.self) { try ProviderOrder(parsing: "qnn,cuda") }
    #expect(error.message == "there is no provider \"cuda\"; the known ones are qnn, cpu, embedded")
    #expect(throws: BackendError.self) { try ProviderOrder(parsing: "") }
  }

  @Test("passes over providers that are missing or unable, and remembers why") func passesOver() throws {
    let order = ProviderOrder([.qnn, .cpu, .embedded])
    let opened = try order.open { provider throws(BackendError) in
      switch provider {
      case .qnn: throw BackendError(.missing, "no plugin")
      case .cpu: throw BackendError(.unsupported, "no such operator")
      case .embedded: return NoSession()
      }
    }
    #expect(opened.provider == .embedded)
    #expect(opened.passedOver.map(\.provider) == [.qnn, .cpu])
    #expect(opened.passedOver.map(\.error.message) == ["no plugin", "no such operator"])
  }

  @Test("stops at a damaged model") func damaged() throws {
    var asked: [Provider] = []
    let error = try #require(throws: BackendError.self) {
      _ = try ProviderOrder([.qnn, .cpu]).open { provider throws(BackendError) in
        asked.append(provider)
        throw BackendError(.badModel, "it is damaged")
      }
    }
    #expect(asked == [.qnn])
    #expect(error.message == "it is damaged")
  }

  @Test("tells what each said when none can") func none() throws {
    let error = try #require(throws: BackendError.self) {
      _ = try ProviderOrder([.qnn, .cpu]).open { provider throws(BackendError) in
        throw BackendError(.missing, "no \(provider)")
      }
    }
    #expect(error.reason == .missing)
    #expect(error.message == "no provider of qnn,cpu can run the model\nqnn: no qnn\ncpu: no cpu")
  }
}
