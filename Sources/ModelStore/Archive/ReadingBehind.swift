import ByteIO

extension MappedFile {
  /// Gives back the pages of a range that a reader from front to back has just left.
  ///
  /// The system maps some pages around the one that is touched, so the first touch of this range has brought pages
  /// before it back; without them, every range would leave a few behind.
  func releaseBehind(_ range: Range<Int>) {
    let mappedAround = 2 << 20
    release(max(0, range.lowerBound - mappedAround)..<range.upperBound)
  }
}
