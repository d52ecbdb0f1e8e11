#pragma once

#include "proxy/core/run_on.h"
