// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>

namespace tmpu {

namespace detail {
// Not inlined: g++ 12 would warn of sizes that there never are.
[[gnu::noinline]] inline void copy_bytes(const void* from, std::size_t count, void* to) {
  if (count > 0) __builtin_memcpy(to, from, count);
}
[[gnu::noinline]] inline void zero_bytes(void* first, std::size_t count) { __builtin_memset(first, 0, count); }
} // namespace detail

/// Copies `count` elements to where they do not overlap; at run time at once where their bytes are all there is to them.
template <class T> constexpr void copy_elements(const T* from, std::size_t count, T* to) {
  if constexpr (__is_trivially_copyable(T)) {
    if (!__builtin_is_constant_evaluated()) {
      detail::copy_bytes(from, count * sizeof(T), to);
      return;
    }
  }
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
}

/// A growing array that works the same at run time and in constant evaluation, on every compiler that we support
/// (libstdc++ 12's std::vector cannot resize, assign or insert in clang's constant evaluation).
///
/// T is default constructible; new elements are value-initialised. Indexes are checked by the verifiers of the graph,
/// not here; constant evaluation reports every access out of bounds by itself.
template <class T> class vec {
public:
  using value_type = T;

  constexpr vec() = default;
  constexpr explicit vec(std::size_t count) { resize(count); }
  constexpr vec(std::size_t count, const T& value) {
    reserve(count);
    for (std::size_t i = 0; i < count; ++i) push_back(value);
  }
  constexpr vec(std::initializer_list<T> items) { append(items.begin(), items.size()); }
  constexpr explicit vec(std::span<const T> items) { append(items); }
  /// An empty vec that grows into `space`, which outlives it, before it allocates.
  static constexpr vec borrowing(std::span<T> space) {
    vec v;
    v.data_ = space.data();
    v.capacity_ = space.size();
    v.borrowed_ = true;
    return v;
  }
  /// The elements of `space`, which outlives it, until it grows beyond them.
  static constexpr vec over(std::span<T> space) {
    vec v = borrowing(space);
    v.size_ = space.size();
    return v;
  }

  constexpr vec(const vec& other) { append(other.data_, other.size_); }
  constexpr vec(vec&& other) noexcept { take(other); }
  constexpr vec& operator=(const vec& other) {
    if (this != &other) {
      vec copy;
      copy.append(other.data_, other.size_);
      release();
      take(copy);
    }
    return *this;
  }
  constexpr vec& operator=(vec&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  constexpr ~vec() { release(); }

  constexpr void swap(vec& other) noexcept {
    vec taken(std::move(other));
    other.take(*this);
    take(taken);
  }

  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr T* data() { return data_; }
  [[nodiscard]] constexpr const T* data() const { return data_; }
  [[nodiscard]] constexpr T* begin() { return data_; }
  [[nodiscard]] constexpr T* end() { return data_ + size_; }
  [[nodiscard]] constexpr const T* begin() const { return data_; }
  [[nodiscard]] constexpr const T* end() const { return data_ + size_; }
  constexpr T& operator[](std::size_t i) { return data_[i]; }
  constexpr const T& operator[](std::size_t i) const { return data_[i]; }
  [[nodiscard]] constexpr T& front() { return data_[0]; }
  [[nodiscard]] constexpr const T& front() const { return data_[0]; }
  [[nodiscard]] constexpr T& back() { return data_[size_ - 1]; }
  [[nodiscard]] constexpr const T& back() const { return data_[size_ - 1]; }
  [[nodiscard]] constexpr std::span<T> span() { return {data_, size_}; }
  [[nodiscard]] constexpr std::span<const T> span() const { return {data_, size_}; }

  constexpr void reserve(std::size_t count) {
    if (count <= capacity_) return;
    T* grown = nullptr;
    if (plain()) {
      grown = new T[count]; // elements get their values when they become part of the array
      copy_elements(data_, size_, grown);
    } else {
      grown = new T[count]();
      for (std::size_t i = 0; i < size_; ++i) grown[i] = std::move(data_[i]);
    }
    release();
    data_ = grown;
    capacity_ = count;
    borrowed_ = false;
  }
  constexpr void resize(std::size_t count) {
    const bool grows = count > capacity_;
    reserve(count);
    if (plain()) {
      if (count > size_) detail::zero_bytes(data_ + size_, (count - size_) * sizeof(T));
    } else if (!grows) {
      for (std::size_t i = size_; i < count; ++i) data_[i] = T();
    }
    size_ = count;
  }
  /// New elements of plain types have no values before they are written.
  constexpr void resize_for_overwrite(std::size_t count) {
    if constexpr (__is_trivially_copyable(T) && __is_trivially_constructible(T)) {
      reserve(count);
      size_ = count;
    } else {
      resize(count);
    }
  }
  constexpr T& push_back(T value) {
    if (size_ == capacity_) reserve(capacity_ == 0 ? 8 : capacity_ * 2);
    data_[size_] = std::move(value);
    return data_[size_++];
  }
  constexpr void append(std::span<const T> items) { append(items.data(), items.size()); }
  /// `items` [count], which are not of this array.
  constexpr void append(const T* items, std::size_t count) {
    if (size_ + count > capacity_) {
      const std::size_t doubled = capacity_ * 2;
      reserve(size_ + count > doubled ? size_ + count : doubled);
    }
    copy_elements(items, count, data_ + size_);
    size_ += count;
  }
  constexpr void insert(std::size_t at, T value) {
    push_back(T());
    for (std::size_t i = size_ - 1; i > at; --i) data_[i] = std::move(data_[i - 1]);
    data_[at] = std::move(value);
  }
  constexpr void erase(std::size_t at) {
    for (std::size_t i = at; i + 1 < size_; ++i) data_[i] = std::move(data_[i + 1]);
    pop_back();
  }
  constexpr void pop_back() { data_[--size_] = T(); }
  constexpr void clear() { size_ = 0; }

  friend constexpr bool operator==(const vec& a, const vec& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a.data_[i] == b.data_[i])) return false;
    }
    return true;
  }

private:
  /// At run time, elements that zero bytes make are neither made nor moved one by one.
  static constexpr bool plain() {
    if constexpr (__is_trivially_copyable(T) && __is_trivially_constructible(T)) {
      return !__builtin_is_constant_evaluated();
    } else {
      return false;
    }
  }
  // Not inlined: g++ 12 would warn that a borrowed space is freed, which it never is.
  [[gnu::noinline]] static constexpr void free(T* space) { delete[] space; }
  constexpr void release() {
    if (!borrowed_) free(data_);
  }

  // By hand: std::exchange and std::swap instantiate a dozen traits for each T.
  constexpr void take(vec& other) noexcept {
    data_ = other.data_;
    size_ = other.size_;
    capacity_ = other.capacity_;
    borrowed_ = other.borrowed_;
    other.data_ = nullptr;
    other.size_ = 0;
    other.capacity_ = 0;
    other.borrowed_ = false;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  bool borrowed_ = false;
};

} // namespace tmpu
