# SPDX-License-Identifier: Apache-2.0
"""Prints the coefficients of include/tmpu/core/math.hpp: Chebyshev interpolation at 60 digits of the smooth factor of
each function on its reduced interval, expanded in powers, rounded to double."""
from mpmath import mp, mpf, cos, pi, exp, log, sin, sqrt, asin, atan, sinh, tanh, erf, matrix, lu_solve, floor
mp.dps = 60

def fit(name, g, lo, hi, degree):
    n = degree + 1
    lo, hi = mpf(lo), mpf(hi)
    xs = [(lo + hi) / 2 + (hi - lo) / 2 * cos(pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    a = matrix(n, n); b = matrix(n, 1)
    for i, x in enumerate(xs):
        b[i] = g(x)
        for j in range(n): a[i, j] = x ** j
    c = [float(v) for v in lu_solve(a, b)]
    worst = mpf(0)
    for i in range(401):
        x = lo + (hi - lo) * i / 400
        p = mpf(0)
        for v in reversed(c): p = p * x + mpf(v)
        worst = max(worst, abs(p - g(x)))
    print("//", name, "degree", degree, "max abs error 2^%.1f" % float(log(worst, 2)))
    return c

def horner(c, var):
    s = c[-1].hex()
    for v in reversed(c[:-1]): s = "%s + %s * (%s)" % (v.hex(), var, s)
    return s
def show(name, c, var='z'): print(name, '=', horner(c, var)); print()

mp.dps = 80
L = log(mpf(2)) / 2 * mpf('1.0001')
show('exp: (e^r-1-r)/r^2', fit('exp', lambda r: (exp(r) - 1 - r) / r**2 if abs(r) > 1e-25 else mpf(1)/2 + r/6, -L, L, 11), 'r')
l2 = log(mpf(2))
show('exp of floats: (e^r-1-r)/r^2', fit('expf', lambda r: (exp(r) - 1 - r) / r**2 if abs(r) > 1e-25 else mpf(1)/2 + r/6, -L, L, 7), 'r')
show('exp2: (2^f-1)/f', fit('exp2', lambda f: (exp(f*l2) - 1) / f if abs(f) > 1e-25 else l2, -0.5001, 0.5001, 12), 'f')
zmax = ((sqrt(2)-1)/(sqrt(2)+1)) ** 2 * mpf('1.001')
def logz(z):
    s = sqrt(z); return (log((1+s)/(1-s)) - 2*s) / s**3 if z > mpf(10)**-24 else mpf(2)/3
show('log: R/z^2=(2atanh s-2s)/s^3', fit('log', logz, 0, zmax, 8), 'w')
def logz5(z):
    s = sqrt(z); return (log((1+s)/(1-s)) - 2*s - 2*s**3/3) / s**5 if z > mpf(10)**-14 else mpf(2)/5+2*z/7
show('log tail: (2atanh s-2s-2s^3/3)/s^5', fit('logt', logz5, 0, zmax, 8), 'w')
q = (pi/4*mpf('1.0001'))**2
show('sin: (sin r-r)/r^3', fit('sin', lambda z: (sin(sqrt(z))-sqrt(z))/sqrt(z)**3 if z > mpf(10)**-24 else -mpf(1)/6, 0, q, 6))
show('cos: (cos r-1+z/2)/z^2', fit('cos', lambda z: (cos(sqrt(z))-1+z/2)/z**2 if z > mpf(10)**-18 else mpf(1)/24, 0, q, 6))
show('atan: (atan t-t)/t^3', fit('atan', lambda z: (atan(sqrt(z))-sqrt(z))/sqrt(z)**3 if z > mpf(10)**-24 else -mpf(1)/3, 0, mpf(1)/64*mpf('1.001'), 7))
show('asin: (asin s-s)/s^3', fit('asin', lambda z: (asin(sqrt(z))-sqrt(z))/sqrt(z)**3 if z > mpf(10)**-24 else mpf(1)/6, 0, mpf('0.2501'), 13))
show('sinh: (sinh x-x)/x^3', fit('sinh', lambda z: (sinh(sqrt(z))-sqrt(z))/sqrt(z)**3 if z > mpf(10)**-24 else mpf(1)/6, 0, 1, 7))
show('tanh: (tanh x-x)/x^3', fit('tanh', lambda z: (tanh(sqrt(z))-sqrt(z))/sqrt(z)**3 if z > mpf(10)**-24 else -mpf(1)/3, 0, mpf('0.5625'), 13))
show('erf: (erf x)/x - 1', fit('erf', lambda z: erf(sqrt(z))/sqrt(z)-1 if z > mpf(10)**-24 else 2/sqrt(pi)-1, 0, 1, 12))
print("erf pieces: centre 1.25+i/2, |t|<=0.25, hi lo then tail")
for i in range(10):
    c = mpf('1.25') + mpf(i)/2
    e = erf(c); d = 2/sqrt(pi)*exp(-c*c)
    def g(t):
        return (erf(c+t)-e)/t if abs(t) > 1e-25 else d
    co = fit('erf%d' % i, g, -0.25, 0.25, 13)
    hi = float(e); lo = float(e - mpf(hi))
    print('{' + ', '.join(v.hex() for v in [hi, lo] + co) + '},')
def split(name, v, bits=None):
    if bits:
        sc = mpf(2) ** (bits - 1 - int(floor(log(v, 2)))); hi = floor(v*sc)/sc
    else: hi = mpf(float(v))
    print(name, float(hi).hex(), float(v - hi).hex())
split('ln2', l2, 32); split('ln2 full', l2); split('log2e', 1/l2); split('log10e', 1/log(mpf(10))); split('log10_2', log(mpf(2))/log(mpf(10)), 32)
p = pi/2
a = floor(p*2**32)/mpf(2)**32; r = p-a
e2 = 33 - 1 - int(floor(log(r,2))); b = floor(r*mpf(2)**e2)/mpf(2)**e2
print('pio2 parts', float(a).hex(), float(b).hex(), float(r-b).hex())
split('pio2', p); split('pi', pi); split('2/pi', 2/pi)
print('sqrt inv2', float(1/sqrt(mpf(2))).hex(), 'c23', float(mpf(2)/3).hex(), float(mpf(2)/3-mpf(float(mpf(2)/3))).hex())
for j in range(9):
    y = atan(mpf(j)/4) if j <= 4 else pi/2 - atan(mpf(8-j)/4)
    print('atan table', j, float(y).hex(), float(y-mpf(float(y))).hex())
mp.dps = 420
t = 2/pi; words = []
for i in range(20):
    t *= mpf(2)**64; w = int(floor(t)); t -= w; words.append('0x%016XU' % w)
print('two over pi', ', '.join(words))
