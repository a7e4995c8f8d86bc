"""NumPy functions as compositions, one file per group; importing this fills the table."""

from weft.compiler.frontend import indexing as indexing
from weft.compiler.frontend.numpy import along as along
from weft.compiler.frontend.numpy import assorted as assorted
from weft.compiler.frontend.numpy import contraction as contraction
from weft.compiler.frontend.numpy import creation as creation
from weft.compiler.frontend.numpy import cumulative as cumulative
from weft.compiler.frontend.numpy import decompositions as decompositions
from weft.compiler.frontend.numpy import dependent as dependent
from weft.compiler.frontend.numpy import fourier as fourier
from weft.compiler.frontend.numpy import linear as linear
from weft.compiler.frontend.numpy import manipulation as manipulation
from weft.compiler.frontend.numpy import methods as methods
from weft.compiler.frontend.numpy import order as order
from weft.compiler.frontend.numpy import padding as padding
from weft.compiler.frontend.numpy import polynomials as polynomials
from weft.compiler.frontend.numpy import products as products
from weft.compiler.frontend.numpy import reductions as reductions
from weft.compiler.frontend.numpy import remaining as remaining
from weft.compiler.frontend.numpy import selection as selection
from weft.compiler.frontend.numpy import signals as signals
from weft.compiler.frontend.numpy import special as special
from weft.compiler.frontend.numpy import statistics as statistics
from weft.compiler.frontend.numpy import ufuncs as ufuncs
from weft.compiler.frontend.numpy.table import FUNCTIONS as FUNCTIONS
from weft.compiler.frontend.numpy.table import call as call
from weft.compiler.frontend.numpy.table import is_known as is_known
